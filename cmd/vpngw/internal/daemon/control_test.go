package daemon

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestControlSocketIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "vpn0.sock")
	l, err := listenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
	if _, err := listenControl(path); err == nil || !strings.Contains(err.Error(), "another gateway is running") {
		t.Errorf("a second gateway on the same socket: %v", err)
	}
}

func TestControlSocketLeftBehindIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vpn0.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := listenControl(path)
	if err != nil {
		t.Fatalf("the socket of a killed gateway is in the way: %v", err)
	}
	again.Close()
}

func TestControlSocketRemovesNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vpngw.yaml")
	if err := os.WriteFile(path, []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := listenControl(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		if err == nil {
			l.Close()
		}
		t.Errorf("a file in the way: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || len(b) == 0 {
		t.Errorf("the file in the way is gone: %v", err)
	}
}
