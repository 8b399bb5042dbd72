package main

import (
	"context"
	"os/exec"
	"path/filepath"

	"vpngw/integration/lab/command"
)

// builder compiles the contestants.
type builder struct {
	bin     string // folder of the programs
	program string // path of a vpngw that is there already; empty: it is built
}

// vpngw returns the program under test and its version.
func (b *builder) vpngw(ctx context.Context) (path, version string, err error) {
	b.program, version, err = command.Program(ctx, b.program, b.bin) // built once
	return b.program, version, err
}

// peer compiles a program of the module that pins what vpngw is compared with, and returns its version.
func (b *builder) peer(ctx context.Context, module, name string) (path, version string, err error) {
	bench, err := command.Output(exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "vpngw/integration/bench"))
	if err != nil {
		return "", "", err
	}
	folder := filepath.Join(bench, "peers")
	path = filepath.Join(b.bin, name)
	if _, err := command.Output(exec.CommandContext(ctx, "go", "build", "-C", folder, "-trimpath", "-o", path, module)); err != nil {
		return "", "", err
	}
	version, err = command.Output(exec.CommandContext(ctx, "go", "list", "-C", folder, "-m", module))
	return path, version, err
}
