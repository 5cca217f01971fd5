package processor

import (
	"fmt"
	"strings"
)

// metadata is what stands beside the committed offset of a shard's partition of `<app>-effects`: up to where the changelog
// is, of which topic, and who wrote it.
type metadata struct {
	Position  int64  // next changelog offset: everything committed is below
	Writer    string // transactional id
	ClusterID string
	TopicID   string
}

// metadataFormat is the first word of the metadata.
const metadataFormat = "accrue/1"

// String is the metadata as it is committed. Ids hold no blank: the engine checks its own, Kafka's are base64.
func (m metadata) String() string {
	return fmt.Sprintf("%s %d %s %s %s", metadataFormat, m.Position, m.Writer, m.ClusterID, m.TopicID)
}

// parseMetadata is the inverse of String. Empty metadata, as a tool that resets offsets leaves it, is no error and not there.
func parseMetadata(text string) (m metadata, there bool, err error) {
	if text == "" {
		return m, false, nil
	}
	words := strings.Split(text, " ")
	if len(words) != 5 || words[0] != metadataFormat {
		return m, false, fmt.Errorf("offset metadata %q is not of the form %q", text, metadataFormat+" POSITION WRITER CLUSTER TOPIC")
	}
	if _, err := fmt.Sscanf(words[1], "%d", &m.Position); err != nil || m.Position < 0 {
		return m, false, fmt.Errorf("offset metadata %q has no position", text)
	}
	m.Writer, m.ClusterID, m.TopicID = words[2], words[3], words[4]
	return m, true, nil
}
