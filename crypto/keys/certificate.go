package keys

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// MaxChain bounds how many certificates one end sends: its own and the intermediates.
const MaxChain = 8

const (
	maxCertificates    = 64 // of a file of authorities
	maxCertificateFile = 1 << 20
	certificateBlock   = "CERTIFICATE" // RFC 7468 §5
	wantCertificate    = "certificates in PEM, each between BEGIN CERTIFICATE and END CERTIFICATE"
)

// WritableError says that others than its owner may write to a file that says whom to
// trust.
type WritableError struct {
	Path string
	Mode fs.FileMode // permission bits seen
}

func (e *WritableError) Error() string {
	return fmt.Sprintf("%s says whom to trust but has mode %04o: run chmod go-w %s", e.Path, e.Mode, e.Path)
}

// LoadCertificates reads a PEM file of certificates, in their order, at least one. The
// error is a *WritableError if others than its owner may write to the file and a
// *FormatError if it holds something else.
func LoadCertificates(path string) ([]*x509.Certificate, error) {
	// Without O_NONBLOCK, opening a FIFO would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("certificates: %s is not a regular file but %v", path, info.Mode().Type())
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return nil, &WritableError{Path: path, Mode: perm}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxCertificateFile+1))
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	if len(data) > maxCertificateFile {
		return nil, fmt.Errorf("certificates: %s has more than %d bytes", path, maxCertificateFile)
	}
	list, err := ParseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("certificates %s: %w", path, err)
	}
	return list, nil
}

// ParseCertificates reads certificates in PEM, at least one. Text between them is
// ignored, as `openssl x509 -text` writes it. The error is a *FormatError.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for rest := data; ; {
		block, more := pem.Decode(rest)
		if block == nil {
			break
		}
		rest = more
		if block.Type != certificateBlock {
			return nil, &FormatError{Want: wantCertificate, Found: identifyPEM(block)}
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &FormatError{Want: wantCertificate, Found: fmt.Sprintf("a certificate (number %d) that cannot be decoded", len(list)+1), Err: err}
		}
		if len(list) == maxCertificates {
			return nil, &FormatError{Want: wantCertificate, Found: fmt.Sprintf("more than %d certificates", maxCertificates)}
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, &FormatError{Want: wantCertificate, Found: identify(data)}
	}
	return list, nil
}
