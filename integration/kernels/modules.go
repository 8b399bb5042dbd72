package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"vpngw/integration/kernels/order"
)

// earlyModules are what the kernel needs to see this machine's files, and to answer.
var earlyModules = []string{"virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"}

// initramfs is the first root of the machine to boot: its first process, and the modules that lead to the real one.
func (k *kernel) initramfs(ctx context.Context, first string) ([]byte, error) {
	dependencies, err := os.ReadFile(filepath.Join(k.modules, "modules.dep"))
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(k.modules, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	files, err := moduleFiles(string(dependencies), string(builtin), earlyModules)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.release, err)
	}
	program, err := os.ReadFile(first)
	if err != nil {
		return nil, err
	}
	var a archive
	a.folder("dev")
	a.device("dev/console", 5, 1)
	a.device("dev/null", 1, 3)
	a.file("init", program)
	folder := strings.TrimPrefix(order.EarlyModules, "/")
	a.folder(folder)
	for n, file := range files {
		content, err := moduleContent(ctx, filepath.Join(k.modules, file))
		if err != nil {
			return nil, err
		}
		a.file(fmt.Sprintf("%s/%02d-%s", folder, n, path.Base(file)), content)
	}
	return a.bytes(), nil
}

// moduleContent is a module as the kernel takes it from anybody: not compressed.
func moduleContent(ctx context.Context, file string) ([]byte, error) {
	if !strings.HasSuffix(file, ".xz") {
		return os.ReadFile(file)
	}
	content, err := exec.CommandContext(ctx, "xz", "--decompress", "--stdout", file).Output()
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", file, err)
	}
	return content, nil
}

// moduleFiles are the files of the modules of these names and of all that they need, in the order in which they are loaded.
// dependencies and builtin are modules.dep and modules.builtin of depmod(8).
func moduleFiles(dependencies, builtin string, names []string) (files []string, err error) {
	needs, byName := map[string][]string{}, map[string]string{}
	for line := range strings.Lines(dependencies) {
		file, needed, ok := strings.Cut(line, ":")
		if ok {
			needs[file], byName[moduleName(file)] = strings.Fields(needed), file
		}
	}
	present := map[string]bool{} // in the kernel itself
	for line := range strings.Lines(builtin) {
		present[moduleName(strings.TrimSpace(line))] = true
	}
	for _, name := range names {
		file, ok := byName[name]
		if !ok && present[name] {
			continue
		}
		if !ok {
			return nil, fmt.Errorf("this kernel has no module %s", name)
		}
		// What all of the others on the line need stands last.
		chain := append([]string{file}, needs[file]...)
		slices.Reverse(chain)
		for _, f := range chain {
			if !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	return files, nil
}

// moduleName is the name by which the kernel knows a module.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}
