package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// builder compiles the contestants.
type builder struct {
	bin     string // folder of the programs
	program string // path of a vpngw that is there already; empty: it is built
}

// vpngw returns the program under test and its version.
func (b *builder) vpngw(ctx context.Context) (path, version string, err error) {
	if b.program == "" {
		b.program = filepath.Join(b.bin, "vpngw")
		describe, err := output(exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty"))
		if err != nil {
			describe = "unknown"
		}
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-X main.version="+describe, "-o", b.program, "vpngw/cmd/vpngw")
		if _, err := output(build); err != nil {
			return "", "", err
		}
	}
	version, err = output(exec.CommandContext(ctx, b.program, "version"))
	return b.program, version, err
}

// output runs a command and returns what it printed; the error of a failed one holds the command and its complaint.
func output(cmd *exec.Cmd) (string, error) {
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
