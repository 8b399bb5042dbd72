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

// peer compiles a program of the module that pins what vpngw is compared with, and returns its version.
func (b *builder) peer(ctx context.Context, module, name string) (path, version string, err error) {
	bench, err := output(exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "vpngw/integration/bench"))
	if err != nil {
		return "", "", err
	}
	folder := filepath.Join(bench, "peers")
	path = filepath.Join(b.bin, name)
	if _, err := output(exec.CommandContext(ctx, "go", "build", "-C", folder, "-trimpath", "-o", path, module)); err != nil {
		return "", "", err
	}
	version, err = output(exec.CommandContext(ctx, "go", "list", "-C", folder, "-m", module))
	return path, version, err
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
