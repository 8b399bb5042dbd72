package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// writeFile makes a file with exactly this mode, whatever the umask.
func writeFile(t *testing.T, data []byte, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantError checks that err says all of the given.
func wantError(t *testing.T, err error, says ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", says)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}

// loaders are the ways by which a secret's file is read.
func loaders(t *testing.T) map[string]struct {
	good []byte
	load func(string) error
} {
	t.Helper()
	return map[string]struct {
		good []byte
		load func(string) error
	}{
		"LoadPrivate": {testKey(t).MarshalPEM(), func(p string) error { _, err := LoadPrivate(p); return err }},
		"LoadPSK":     {[]byte(plainPSK + "\n"), func(p string) error { _, err := LoadPSK(p); return err }},
	}
}

func TestPermissions(t *testing.T) {
	for name, l := range loaders(t) {
		for mode := fs.FileMode(0o400); mode <= 0o777; mode++ {
			if mode&0o400 == 0 {
				continue // only root could read it
			}
			path := writeFile(t, l.good, mode)
			err := l.load(path)
			if mode&0o077 == 0 {
				if err != nil {
					t.Errorf("%s, mode %04o: %v", name, mode, err)
				}
				continue
			}
			var permission *PermissionError
			if !errors.As(err, &permission) || permission.Path != path || permission.Mode != mode {
				t.Fatalf("%s, mode %04o: %v, want a PermissionError", name, mode, err)
			}
			wantError(t, err, path, fmt.Sprintf("mode %04o", mode), "chmod 600 "+path)
		}
	}
}

func TestUnreadable(t *testing.T) {
	for name, l := range loaders(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			missing := filepath.Join(dir, "missing")
			err := l.load(missing)
			wantError(t, err, missing, "make one with vpngw gen")
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a missing file is not fs.ErrNotExist: %v", err)
			}
			wantError(t, l.load(dir), dir, "not a regular file")

			fifo := filepath.Join(dir, "fifo")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			wantError(t, l.load(fifo), fifo, "not a regular file")

			wantError(t, l.load(writeFile(t, make([]byte, maxFile+1), 0o600)), "more than 65536 bytes")

			link := filepath.Join(dir, "link")
			if err := os.Symlink(writeFile(t, l.good, 0o600), link); err != nil {
				t.Fatal(err)
			}
			if err := l.load(link); err != nil {
				t.Errorf("through a symbolic link: %v", err)
			}
		})
	}
}

func TestWriteSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new")
	// The process's umask is everybody's: no other test of this package runs
	// at the same time.
	old := syscall.Umask(0o277)
	err := WriteSecret(path, []byte("one"))
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	err = WriteSecret(path, []byte("two"))
	wantError(t, err, path, "never overwritten")
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("an existing file is not fs.ErrExist: %v", err)
	}
	if data, _ := os.ReadFile(path); !bytes.Equal(data, []byte("one")) {
		t.Errorf("the existing file now holds %q", data)
	}

	// A link to nowhere must not make a file there.
	dir := t.TempDir()
	link, target := filepath.Join(dir, "link"), filepath.Join(dir, "target")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := WriteSecret(link, []byte("x")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("through a dangling link: %v, want fs.ErrExist", err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link's target was made: %v", err)
	}
	wantError(t, WriteSecret(filepath.Join(dir, "no", "dir"), nil), "no such file or directory")
}

func TestWriteSecretFull(t *testing.T) {
	// /dev/full cannot be made with O_EXCL, so a file size limit stands in.
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "new")
	small := limit
	small.Cur = 4
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	err := WriteSecret(path, []byte("longer than the limit"))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EFBIG) {
		t.Errorf("%v, want file too large", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a secret was left behind: %v", err)
	}
}
