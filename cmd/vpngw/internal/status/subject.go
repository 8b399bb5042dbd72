package status

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"vpngw/tunnel/doctor"
)

// Subject asks the gateway behind the control socket at path what package doctor must know of it.
func Subject(ctx context.Context, path string) (s doctor.Subject, err error) {
	resp, err := call(ctx, path, http.MethodGet, "/subject")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, refused(path, resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return s, fmt.Errorf("control socket %s: %w", path, err)
	}
	return s, nil
}
