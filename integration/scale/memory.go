package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// memory is what a hub takes, in bytes.
type memory struct {
	resident int64 // of the process
	heap     int64 // live objects of Go
	kernel   int64 // slab memory of the whole machine: only differences say something
}

func (m *measurement) memory(ctx context.Context) (s memory, err error) {
	if s.heap, err = m.hub.control.heap(ctx); err != nil {
		return s, err
	}
	if s.resident, err = m.hub.Gateway.Process.RSS(); err != nil {
		return s, err
	}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return s, err
	}
	s.kernel, err = parseSlab(string(text))
	return s, err
}

// parseSlab reads the line of /proc/meminfo.
func parseSlab(text string) (int64, error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "Slab:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/meminfo: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/meminfo has no line of slab memory")
}
