//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"vpngw/integration/kernels/order"
)

// newRoot is where the root is put together.
const newRoot = "/new"

// enterRoot makes the other machine's files the root of this one. What is written goes to memory.
func enterRoot() error {
	if err := loadEarly(); err != nil {
		return err
	}
	if err := share(order.RootTag, "/lower"); err != nil {
		return err
	}
	if err := mount("tmpfs", "/memory", ""); err != nil {
		return err
	}
	for _, dir := range []string{"/memory/files", "/memory/scratch"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := mount("overlay", newRoot, "lowerdir=/lower,upperdir=/memory/files,workdir=/memory/scratch"); err != nil {
		return err
	}
	for _, m := range []struct{ kind, target string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"cgroup2", "/sys/fs/cgroup"},
		{"devtmpfs", "/dev"}, {"devpts", "/dev/pts"}, {"tmpfs", "/dev/shm"}, {"tmpfs", "/run"},
	} {
		if err := mount(m.kind, newRoot+m.target, ""); err != nil {
			return err
		}
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return os.NewSyscallError("uname", err)
	}
	for tag, target := range map[string]string{
		order.WorkTag:    order.WorkFolder,
		order.ModulesTag: "/lib/modules/" + unix.ByteSliceToString(u.Release[:]),
	} {
		if err := share(tag, newRoot+target); err != nil {
			return err
		}
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move %s to /: %w", newRoot, err)
	}
	if err := unix.Chroot("."); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	return os.Chdir("/")
}

// loadEarly loads what the file systems need.
func loadEarly() error {
	files, err := filepath.Glob(order.EarlyModules + "/*") // sorted
	if err != nil {
		return err
	}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(file.Fd()), "", 0)
		file.Close()
		if err != nil {
			return fmt.Errorf("load module %s: %w", name, err)
		}
	}
	return nil
}

// mount mounts a file system of the kernel's own.
func mount(kind, target, data string) error { return mountAt(kind, target, kind, 0, data) }

// share mounts a 9p file system of the other machine. Nobody writes to it meanwhile, so everything may be cached.
func share(tag, target string) error {
	return mountAt(tag, target, "9p", unix.MS_RDONLY, "trans=virtio,version=9p2000.L,msize=524288,cache=loose")
}

func mountAt(source, target, kind string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}
