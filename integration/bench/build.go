package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// builder compiles contestants into a cache folder. Go's own build cache makes
// a second build of the same sources quick, so nothing is ever stale.
type builder struct {
	root string // folder of the project's go.mod
	bin  string // where the binaries go
}

// findRoot returns the folder of the main module's go.mod.
func findRoot(ctx context.Context) (string, error) {
	out, err := output(exec.CommandContext(ctx, "go", "env", "GOMOD"))
	if err != nil {
		return "", err
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", errors.New("not inside the project: run the bench from the folder of go.mod or below")
	}
	return filepath.Dir(mod), nil
}

// peersFolder holds the module that pins the peers' versions.
func (b builder) peersFolder() string {
	return filepath.Join(b.root, "integration", "bench", "peers")
}

// build compiles the package pkg of the module in dir into a binary called name.
func (b builder) build(ctx context.Context, dir, pkg, name string) (path string, err error) {
	path = filepath.Join(b.bin, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, pkg)
	cmd.Dir = dir
	if _, err := output(cmd); err != nil {
		return "", err
	}
	return path, nil
}

// moduleVersion returns the version of a module that the peers' module pins.
func (b builder) moduleVersion(ctx context.Context, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-json", module)
	cmd.Dir = b.peersFolder()
	out, err := output(cmd)
	if err != nil {
		return "", err
	}
	var m struct{ Path, Version string }
	if err := json.Unmarshal(out, &m); err != nil {
		return "", err
	}
	return m.Path + " " + m.Version, nil
}

// sourceVersion names the state of the project's own sources.
func (b builder) sourceVersion(ctx context.Context) string {
	cmd := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12")
	cmd.Dir = b.root
	out, err := output(cmd)
	if err != nil {
		return "working tree without a commit"
	}
	return strings.TrimSpace(string(out))
}

// output runs a command and returns what it printed; the error of a failed one
// holds the command and its complaint.
func output(cmd *exec.Cmd) ([]byte, error) {
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return out, nil
}
