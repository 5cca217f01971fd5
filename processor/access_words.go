package processor

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/sr"
)

// certificateNotice is how long before its end a certificate is spoken of.
const certificateNotice = 14 * 24 * time.Hour

// checkCertificate looks at the end of the certificate that we show.
func (a *access) checkCertificate(section string, t TLSConfig) {
	if t.CertFile == "" {
		return
	}
	config, err := t.load()
	if err != nil {
		a.wrong("", "%s cannot be used: %v", section, err)
		return
	}
	leaf := config.Certificates[0].Leaf
	left := time.Until(leaf.NotAfter)
	const renew = "have it renewed; Accrue reads the files again by itself"
	switch {
	case left <= 0:
		a.wrong(renew, "the certificate in %s ended at %s", t.CertFile, leaf.NotAfter.Format(time.RFC3339))
	case left < certificateNotice:
		a.note(renew, "the certificate in %s ends at %s", t.CertFile, leaf.NotAfter.Format(time.RFC3339))
	}
}

// adviceFor says what to do about a connection that fails. The section is that of the configuration: kafka or registry.
func adviceFor(err error, section string) string {
	var answer *sr.ResponseError
	var token *tokenError
	var file *os.PathError
	switch {
	case errors.As(err, &file):
		return "the file cannot be read: does it exist, and may this user read it?"
	case errors.As(err, &token):
		return "the brokers are not asked before there is a token: look at kafka.sasl.token_url, client_id, client_secret_file and scope, and at token_ca_file where the endpoint's authority is your own"
	case errors.As(err, &answer):
		return adviceForStatus(answer.StatusCode)
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return "the brokers do not know this user with this secret: set kafka.sasl.user and the file of its password, or of its token, right"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "the brokers have other mechanisms than kafka.sasl.mechanism (their sasl.enabled.mechanisms): set it to one of those"
	}
	if advice := adviceForTLS(err, section); advice != "" {
		return advice
	}
	return adviceForNetwork(err, section)
}

func adviceForStatus(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "the registry does not know this user with this password: set registry.user and registry.password_file right"
	case http.StatusForbidden:
		return "the registry knows the user and does not let it read subjects: give it the right to read them"
	case http.StatusNotFound:
		return "nothing of a registry is there: does registry.url need a path, such as /apis/ccompat/v7?"
	}
	return "look at the registry's own log"
}

func adviceForTLS(err error, section string) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var notTLS tls.RecordHeaderError
	text := err.Error()
	switch {
	case errors.As(err, &authority):
		return "their certificate is signed by an authority that is not known here: put its certificate into " + section + ".tls.ca_file"
	case errors.As(err, &name):
		return "their certificate is not for that name: use the name that is in it, or have the certificate made anew with this one"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "their certificate has ended, or this machine's clock is wrong"
	case errors.As(err, &notTLS), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return "what listens there does not speak TLS: use its TLS port, or take " + section + ".tls away"
	case strings.Contains(text, "certificate required"), strings.Contains(text, "bad certificate"), strings.Contains(text, "unknown certificate"):
		return "they ask for our certificate, or do not trust the one they get: set " + section + ".tls.cert_file and key_file to one of an authority that they know"
	}
	return ""
}

func adviceForNetwork(err error, section string) string {
	var unknown *net.DNSError
	var timeout net.Error
	address, who := "kafka.brokers", "kafka.sasl"
	handedOut := "; where the cluster hands it out, its advertised.listeners must be names that this machine knows"
	if section == "registry" {
		address, who, handedOut = "registry.url", "registry.user", ""
	}
	switch {
	case errors.As(err, &unknown):
		return "that name is not known here: correct it in " + address + handedOut
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is it running, and is the port in " + address + " right?"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed):
		return "it hangs up at once: TLS is on one side only (" + section + ".tls), or it does not accept who we are (" + who + ")"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer: a firewall or network policy between here and there, or TLS on one side only (" + section + ".tls)"
	}
	return "see whether it runs, and whether " + address + " and " + section + ".tls are right"
}

// principalOf is the name that a broker most likely knows us by. With a certificate alone, the broker's
// ssl.principal.mapping.rules may make another of it.
func principalOf(k KafkaConfig) string {
	switch {
	case k.SASL.Mechanism == mechanismOAuth:
		return "User:" + subjectOf(k.SASL)
	case k.SASL.Mechanism != "":
		return "User:" + k.SASL.User
	case k.TLS.CertFile != "":
		if config, err := k.TLS.load(); err == nil {
			return "User:" + config.Certificates[0].Leaf.Subject.String()
		}
	}
	return "User:ANONYMOUS"
}

// subjectOf returns the subject of a token from a file, where it can be read; the client's id of an endpoint.
func subjectOf(s SASLConfig) string {
	if s.TokenFile == "" {
		return s.ClientID
	}
	const unknown = "SUBJECT-OF-THE-TOKEN"
	token, err := readSecret(s.TokenFile)
	parts := strings.Split(token, ".")
	if err != nil || len(parts) != 3 {
		return unknown
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Subject string `json:"sub"`
	}
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Subject == "" {
		return unknown
	}
	return claims.Subject
}
