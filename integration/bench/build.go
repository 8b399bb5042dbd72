package main

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"

	"vpngw/integration/lab/command"
)

// builder compiles contestants into a cache folder. Go's own build cache makes
// a second build of the same sources quick, so nothing is ever stale.
type builder struct {
	root string // folder of the project's go.mod
	bin  string // where the binaries go
}

// findRoot returns the folder of the main module's go.mod.
func findRoot(ctx context.Context) (string, error) {
	mod, err := command.Output(exec.CommandContext(ctx, "go", "env", "GOMOD"))
	if err != nil {
		return "", err
	}
	if filepath.Base(mod) != "go.mod" {
		return "", errors.New("not inside the project: run the bench from the folder of go.mod or below")
	}
	return filepath.Dir(mod), nil
}

// peersFolder holds the module that pins the peers' versions.
func (b builder) peersFolder() string {
	return filepath.Join(b.root, "integration", "bench", "peers")
}

// peer compiles the package pkg of the peers' module into a binary called name.
func (b builder) peer(ctx context.Context, pkg, name string) (path string, err error) {
	path = filepath.Join(b.bin, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, pkg)
	cmd.Dir = b.peersFolder()
	if _, err := command.Output(cmd); err != nil {
		return "", err
	}
	return path, nil
}

// moduleVersion returns the version of a module that the peers' module pins.
func (b builder) moduleVersion(ctx context.Context, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-json", module)
	cmd.Dir = b.peersFolder()
	out, err := command.Output(cmd)
	if err != nil {
		return "", err
	}
	var m struct{ Path, Version string }
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		return "", err
	}
	return m.Path + " " + m.Version, nil
}
