package configs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"vpngw/crypto/keys"
)

// Load reads and checks a tunnel file with the key, certificate and secret files that it names; relative names are relative to the tunnel
// file's directory. The error is [Problems], all that could be found in one pass.
func Load(path string) (*File, error) {
	data, problems := readFile(path)
	if data == nil {
		return nil, problems
	}
	secrets := secretFiles{private: keys.LoadPrivate, psk: keys.LoadPSK, ppk: keys.LoadPPK, certificates: keys.LoadCertificates}
	file, more := parse(path, data, secrets)
	if problems = append(problems, more...); len(problems) > 0 {
		problems.sort()
		return nil, problems
	}
	return file, nil
}

// readFile reads the tunnel file; nil data when it cannot be read. A file that others may change is a mistake too:
// who writes it decides whom the gateway trusts.
func readFile(path string) ([]byte, Problems) {
	fail := func(message, hint string) ([]byte, Problems) {
		return nil, Problems{{File: path, Message: message, Hint: hint}}
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(reason(err), "")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail(reason(err), "")
	}
	if info.IsDir() {
		return fail("is a directory", "give the name of the tunnel file in it")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return fail(reason(err), "")
	}
	if len(data) > maxFileSize {
		return fail(fmt.Sprintf("larger than %v", ByteSize(maxFileSize)), "is it a tunnel file?")
	}
	var problems Problems
	// It names peers, networks and where the secrets are: its group may read it, nobody else.
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o026 != 0 {
		problems = Problems{{
			File: path, Message: fmt.Sprintf("others may read the file, or its group may write to it (mode %04o)", mode.Perm()),
			Hint: "chmod 640 " + path,
		}}
	}
	return append([]byte{}, data...), problems
}

// reason takes the file's name out of an error that is printed behind it.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Op + ": " + path.Err.Error()
	}
	return err.Error()
}

// secretFiles load the files that a tunnel file names.
type secretFiles struct {
	private func(path string) (keys.PrivateKey, error)
	psk     func(path string) (keys.PSK, error)
	ppk     func(path string) (keys.PSK, error)

	certificates func(path string) ([]*x509.Certificate, error)
}

// parse reads the text of a tunnel file. The file is nil when there are problems; these are not sorted.
func parse(path string, data []byte, secrets secretFiles) (*File, Problems) {
	src, readable := newSource(path, data)
	if !readable {
		return nil, src.problems
	}
	top := src.document(data)
	if top == nil {
		return nil, src.problems
	}
	src.plain(top, "")
	sec := src.mapping(&entry{node: top}, root)
	a := &assembly{source: src, directory: filepath.Dir(path), secrets: secrets}
	file := a.file(scope{table: root, layers: []*section{sec}})
	file.Path = path
	if len(src.problems) > 0 {
		return nil, src.problems
	}
	return file, nil
}
