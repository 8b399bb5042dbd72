package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxFile bounds, in bytes, what is read of a file that should hold one key.
const maxFile = 64 << 10

// PermissionError says that a secret's file is open to others than its owner.
type PermissionError struct {
	Path string
	Mode fs.FileMode // permission bits seen
}

func (e *PermissionError) Error() string {
	return fmt.Sprintf("%s holds a secret but has mode %04o, open to group or others: run chmod 600 %s", e.Path, e.Mode, e.Path)
}

// readSecret returns the contents of a regular file with no permission for group
// or others. The open file is looked at, so that it cannot be swapped between
// the check and the reading. maker is the command that makes such a file.
func readSecret(path, maker string) ([]byte, error) {
	// Without O_NONBLOCK, opening a FIFO would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: make one with %s", err, maker)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file but %v: put the secret into a file of its own", path, info.Mode().Type())
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, &PermissionError{Path: path, Mode: perm}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes, too many for a key", path, maxFile)
	}
	return data, nil
}

// WriteSecret writes data to a new file with mode 0600 and brings it to the
// disk. A file that exists is left alone: the error is then fs.ErrExist to
// errors.Is. A file that could not be written whole is removed.
func WriteSecret(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: a secret is never overwritten, remove it or choose another name", err)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	// The umask may have taken away the owner's own permissions.
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
