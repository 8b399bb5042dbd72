package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// RunDelay is how long the threads of the process that still live were ready to run and had no processor, together. Where it
// grows, the machine is too busy for what is measured on it.
func (p *Process) RunDelay() (time.Duration, error) {
	if !p.Running() {
		return 0, fmt.Errorf("run delay of %s: %w", p.name, errGone)
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.PID()))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended meanwhile
		}
		d, err := parseSchedstat(string(b))
		if err != nil {
			return 0, fmt.Errorf("run delay of %s: %w", p.name, err)
		}
		sum += d
	}
	return sum, nil
}

// parseSchedstat reads the second of three numbers: nanoseconds run, nanoseconds waited for a processor, turns.
func parseSchedstat(text string) (time.Duration, error) {
	f := strings.Fields(text)
	if len(f) != 3 {
		return 0, fmt.Errorf("schedstat is %q", text)
	}
	n, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("schedstat: %w", err)
	}
	return time.Duration(n), nil
}
