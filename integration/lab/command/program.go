package command

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// linkerFlags is what `make build` gives the linker, but for the version.
const linkerFlags = "-s -w -X main.version="

// Program returns the path of the vpngw to measure or to test, and its version in its own words. It is the one at given; where
// that is empty, one of these sources, which is built into folder as `make build` does: what is seen is what users get. The
// working directory must be the project's or below.
func Program(ctx context.Context, given, folder string) (path, version string, err error) {
	if path = given; path == "" {
		path = filepath.Join(folder, "vpngw")
		describe, err := Output(exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty"))
		if err != nil {
			describe = "unknown" // a tree without its history
		}
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", linkerFlags+describe, "-o", path, "vpngw/cmd/vpngw")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if _, err := Output(build); err != nil {
			return "", "", err
		}
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	version, err = Output(exec.CommandContext(ctx, path, "version"))
	return path, strings.TrimPrefix(version, "vpngw "), err
}
