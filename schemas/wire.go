package schemas

import "encoding/binary"

// MagicByte is the first byte of every value in the Confluent wire format.
const MagicByte byte = 0

// headerSize is the length of the wire format's header: magic byte and schema id.
const headerSize = 5

// AppendHeader appends the header of the Confluent wire format for a schema id, which must be in the int32 range.
func AppendHeader(dst []byte, id int) []byte {
	dst = append(dst, MagicByte)
	return binary.BigEndian.AppendUint32(dst, uint32(id)) // ids are int32 in the registry's protocol
}

// SplitHeader returns the schema id and the body of a value in the Confluent wire format. The body shares data's memory.
// The error is a *BadRecord.
func SplitHeader(data []byte) (id int, body []byte, err error) {
	if len(data) == 0 {
		return 0, nil, badRecord("the value is empty, expected an Avro record in wire format")
	}
	if data[0] != MagicByte {
		hint := ""
		if data[0] == '{' || data[0] == '[' {
			hint = "; it looks like JSON"
		}
		return 0, nil, badRecord("not in Avro wire format: first byte is 0x%02x, expected 0 and then a schema id of 4 bytes%s",
			data[0], hint)
	}
	if len(data) < headerSize {
		return 0, nil, badRecord("not in Avro wire format: %d bytes, too short for a schema id", len(data))
	}
	raw := int32(binary.BigEndian.Uint32(data[1:headerSize])) // the sign is looked at next
	if raw < 0 {
		return 0, nil, badRecord("not in Avro wire format: schema id %d is below 0", raw)
	}
	return int(raw), data[headerSize:], nil
}
