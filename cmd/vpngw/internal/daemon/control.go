package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/tunnel"
)

// listenControl makes the control socket, which only its owner may open. A socket
// that a gateway which was killed left behind is replaced; one that answers is not.
func listenControl(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("control socket %s: another gateway is running there; stop it, or give this one its own gateway.control_socket", path)
	} else if errors.Is(err, unix.ECONNREFUSED) {
		// So does a file that is no socket, which is not ours to remove.
		if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("control socket %s: a file that is no socket is there; give this gateway another gateway.control_socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("control socket: remove the one left behind: %w", err)
		}
	}
	// Between bind and chmod nobody else may connect.
	old := unix.Umask(0o177)
	l, err := net.Listen("unix", path)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// serveControl answers on the control socket until ctx ends.
func serveControl(ctx context.Context, l net.Listener, g *tunnel.Gateway) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		s, err := g.Status(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s) // a reader that went away needs no answer
	})
	mux.HandleFunc("GET /subject", func(w http.ResponseWriter, r *http.Request) {
		s, err := g.Subject(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s)
	})
	mux.HandleFunc("POST /rekey", func(w http.ResponseWriter, r *http.Request) { serveRekey(w, r, g) })
	mux.HandleFunc("POST /home", func(w http.ResponseWriter, r *http.Request) { serveHome(w, r, g) })
	// For profiles of a gateway at work: curl --unix-socket PATH http://gateway/debug/pprof/profile.
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}
