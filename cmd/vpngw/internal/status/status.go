// Package status asks a running gateway over its control socket and shows the answer.
package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"golang.org/x/sys/unix"

	"vpngw/tunnel"
)

// Fetch asks the gateway behind the control socket at path.
func Fetch(ctx context.Context, path string) (*tunnel.Status, error) {
	resp, err := call(ctx, path, http.MethodGet, "/status")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refused(path, resp)
	}
	var s tunnel.Status
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return nil, fmt.Errorf("control socket %s: read the answer: %w", path, err)
	}
	return &s, nil
}

func explain(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("control socket %s does not exist: no gateway is running with it; name another with --socket or --interface", path)
	case errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("control socket %s: nobody answers: its gateway was killed", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control socket %s: permission denied: run this as the gateway's user or as root", path)
	}
	return fmt.Errorf("control socket %s: %w", path, err)
}

// Select leaves only the named tunnels in s, all of them if names is empty. It is an
// error if one is not there.
func Select(s *tunnel.Status, names []string) error {
	if len(names) == 0 {
		return nil
	}
	byName := map[string]tunnel.TunnelStatus{}
	var have []string
	for _, t := range s.Tunnels {
		byName[t.Name] = t
		have = append(have, t.Name)
	}
	s.Tunnels = nil
	for _, n := range names {
		t, ok := byName[n]
		if !ok {
			return fmt.Errorf("no tunnel %q; there are: %s", n, strings.Join(have, ", "))
		}
		s.Tunnels = append(s.Tunnels, t)
	}
	return nil
}
