package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"vpngw/integration/lab/command"
)

// kernel is one that can be booted, in a folder of the cache.
type kernel struct {
	release string // as uname -r has it there
	image   string
	modules string // folder with modules.dep
}

// errNoPackage is the error for a package that the machine's package sources do not have.
var errNoPackage = errors.New("the package sources of this machine have no such package")

// fetch takes the kernel of a Debian package into the cache, if it is not there: the files of this machine are not touched. The
// package is one with a kernel in it, or one of those that depend on the latest.
func fetch(ctx context.Context, name, cache string, log io.Writer) (*kernel, error) {
	name, err := latest(ctx, name)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(cache, name)
	if k, err := findKernel(folder); err == nil {
		return k, nil
	}
	scratch := folder + ".part"
	if err := errors.Join(os.RemoveAll(scratch), os.RemoveAll(folder), os.MkdirAll(scratch, 0o755)); err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	fmt.Fprintf(log, "fetching %s\n", name)
	if _, err := tool(ctx, scratch, "apt-get", "-q", "download", name); err != nil {
		return nil, err
	}
	packages, err := filepath.Glob(filepath.Join(scratch, "*.deb"))
	if err != nil || len(packages) != 1 {
		return nil, fmt.Errorf("apt-get download %s left %v, %v", name, packages, err)
	}
	if _, err := tool(ctx, scratch, "dpkg-deb", "--extract", packages[0], "."); err != nil {
		return nil, err
	}
	if err := os.Remove(packages[0]); err != nil {
		return nil, err
	}
	k, err := findKernel(scratch)
	if err != nil {
		return nil, err
	}
	base := filepath.Dir(filepath.Dir(filepath.Dir(k.modules)))
	if _, err := tool(ctx, scratch, "depmod", "-b", base, k.release); err != nil {
		return nil, err
	}
	if err := os.Rename(scratch, folder); err != nil {
		return nil, err
	}
	return findKernel(folder)
}

// findKernel finds what a package has left in a folder.
func findKernel(folder string) (*kernel, error) {
	images, err := filepath.Glob(filepath.Join(folder, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return nil, fmt.Errorf("%s: expected one kernel, found %v, %v", folder, images, err)
	}
	k := &kernel{image: images[0], release: strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")}
	for _, lib := range []string{"lib", "usr/lib"} {
		k.modules = filepath.Join(folder, lib, "modules", k.release)
		if _, err := os.Stat(k.modules); err == nil {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%s: no modules for Linux %s", folder, k.release)
}

// latest is the package with a kernel that a package without one depends on, or the package itself.
func latest(ctx context.Context, name string) (string, error) {
	text, err := tool(ctx, ".", "apt-cache", "show", "--no-all-versions", name)
	if err != nil || text == "" {
		return "", fmt.Errorf("%s: %w", name, errNoPackage)
	}
	return imagePackage(name, text), nil
}

// imagePackage reads what apt-cache shows of a package.
func imagePackage(name, shown string) string {
	for line := range strings.Lines(shown) {
		depends, ok := strings.CutPrefix(line, "Depends: ")
		if !ok {
			continue
		}
		for d := range strings.SplitSeq(depends, ",") {
			if d, _, _ := strings.Cut(strings.TrimSpace(d), " "); strings.HasPrefix(d, "linux-image-") {
				return d
			}
		}
	}
	return name
}

// tool runs a program in a folder and returns what it prints.
func tool(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	// Some of the tools are where only root looks.
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	return command.Output(cmd)
}
