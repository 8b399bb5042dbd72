package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"vpngw/crypto/keys"
)

// The exit codes, as the help of vpngw has them.
const (
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a mistake in the command line of a command.
type usageError struct {
	error
	command string
}

func (e *usageError) Unwrap() error { return e.error }

// hintedError says in a line of its own what to do about an error.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Unwrap() error { return e.error }

// errReported is the error of a command that has said already what is wrong.
var errReported = errors.New("reported")

func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }

// report says what is wrong and gives the exit code.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, errReported) {
		return exitFailure
	}
	fmt.Fprintln(stderr, "vpngw:", err)
	var usage *usageError
	var hinted *hintedError
	isUsage := errors.As(err, &usage)
	if errors.As(err, &hinted) {
		fmt.Fprintln(stderr, "hint:", hinted.hint)
	} else if isUsage {
		fmt.Fprintf(stderr, "hint: see `%s --help`\n", usage.command)
	}
	if isUsage {
		return exitUsage
	}
	return exitFailure
}

// secretError adds a hint to what went wrong with the key or PSK file at path.
func secretError(path string, err error) error {
	var open *keys.PermissionError
	var format *keys.FormatError
	switch {
	case errors.As(err, &format):
		return &hintedError{errorf("%s holds %s", path, format.Found), "need " + format.Want}
	case errors.As(err, &open):
		return &hintedError{errorf("group or others may open %s (mode %04o)", path, open.Mode), "chmod 600 " + path}
	case errors.Is(err, fs.ErrExist):
		return &hintedError{errorf("%s exists already", path), "a secret is never overwritten: remove it or choose another name"}
	case errors.Is(err, fs.ErrNotExist):
		return &hintedError{errorf("there is no file or directory %s", path), "check the name"}
	case errors.Is(err, fs.ErrPermission):
		return &hintedError{err, "run as the owner of the file or directory"}
	}
	return err
}

// arguments accepts from low to high arguments, called what.
func arguments(low, high int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < low:
			return errorf("%s is missing", what)
		case len(args) > high:
			return errorf("unexpected argument %q", args[high])
		}
		return nil
	}
}
