//go:build linux

// Package survey gathers what package doctor judges, from the kernel of the network
// namespace that the calling thread is in, and makes the changes that it proposes.
package survey

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"vpngw/tunnel/doctor"
)

// Interfaces gathers only what is known of the interfaces.
func Interfaces(s doctor.Subject) (*doctor.Facts, error) {
	f := &doctor.Facts{Subject: s}
	ask := newAsker()
	defer ask.handle.Close()
	t := readTable(f, ask)
	paths(f, &t)
	return f, interfaces(f, &t)
}

func unseen(f *doctor.Facts, what string, err error) {
	f.Unseen = append(f.Unseen, fmt.Sprintf("%s: %v", what, err))
}

// sysctl reads a number; ok is false where there is none of that name.
func sysctl(key string) (n int, ok bool) {
	b, err := os.ReadFile(sysctlPath(key))
	if err != nil {
		return 0, false
	}
	n, err = strconv.Atoi(strings.TrimSpace(string(b)))
	return n, err == nil
}

// sysctlPath keeps a slash of a key as sysctl(8) does: for a dot in the name of an interface.
func sysctlPath(key string) string {
	swap := strings.NewReplacer(".", "/", "/", ".")
	return "/proc/sys/" + swap.Replace(key)
}
