package status

import (
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// TestRekey looks at what goes over the control socket, either way.
func TestRekey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	mux := http.NewServeMux()
	mux.HandleFunc("POST /rekey", func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.FormValue("tunnel")+" "+r.FormValue("ike"))
		if r.FormValue("tunnel") == "a&b" {
			w.Header().Set(HintHeader, "try another")
			http.Error(w, "no such tunnel", http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	server := &http.Server{Handler: mux}
	go server.Serve(l)
	defer server.Close()

	if err := Rekey(t.Context(), path, "b", false); err != nil {
		t.Error(err)
	}
	if err := Rekey(t.Context(), path, "b", true); err != nil {
		t.Error(err)
	}
	var refused *RefusedError
	if err := Rekey(t.Context(), path, "a&b", false); !errors.As(err, &refused) || refused.Hint != "try another" || refused.Error() != "no such tunnel" {
		t.Errorf("a refusal: %v", err)
	}
	if len(asked) != 3 || asked[0] != "b false" || asked[1] != "b true" || asked[2] != "a&b false" {
		t.Errorf("asked for %q", asked)
	}
	if err := Rekey(t.Context(), path+"x", "b", false); err == nil || errors.As(err, &refused) {
		t.Errorf("without a gateway: %v", err)
	}
}
