package vpngw_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// layers says which of our folders a folder may import, beside its own. What is not
// listed may import none of ours.
var layers = map[string][]string{
	"vpngw/cmd":         {"vpngw/configs", "vpngw/tunnel", "vpngw/crypto", "vpngw/integration/lab"},
	"vpngw/tunnel":      {"vpngw/crypto", "vpngw/offload", "vpngw/fairness"},
	"vpngw/configs":     {"vpngw/crypto/keys", "vpngw/crypto/identity"},
	"vpngw/integration": {"vpngw/configs", "vpngw/crypto/keys"},
	"vpngw/crypto":      {},
	"vpngw/offload":     {},
	"vpngw/fairness":    {},
}

// pure are packages that take bytes and time in and give bytes and actions out.
var pure = []string{"vpngw/crypto/esp", "vpngw/crypto/identity", "vpngw/crypto/ike", "vpngw/crypto/ike/message", "vpngw/fairness", "vpngw/offload", "vpngw/tunnel/doctor", "vpngw/tunnel/homing", "vpngw/tunnel/meter", "vpngw/tunnel/pmtu"}

// impure is what a pure package does not import: I/O, and packages that hide some.
var impure = []string{"net", "os", "os/exec", "syscall", "golang.org/x/sys/unix", "math/rand", "math/rand/v2"}

type listed struct {
	ImportPath, Dir string
	Imports         []string
}

func TestImportsRunDownwards(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath == "vpngw" {
			continue
		}
		layer := layerOf(p.ImportPath)
		if layer == "" {
			t.Errorf("%s is in none of the top-level folders", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			if !strings.HasPrefix(i, "vpngw/") || within(i, layer) {
				continue
			}
			allowed := false
			for _, a := range layers[layer] {
				allowed = allowed || within(i, a)
			}
			if !allowed {
				t.Errorf("%s imports %s: %s may import of ours only %v", p.ImportPath, i, layer, layers[layer])
			}
		}
	}
}

func TestYAMLStaysInConfigs(t *testing.T) {
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			if strings.Contains(i, "yaml") && !within(p.ImportPath, "vpngw/configs") {
				t.Errorf("%s imports %s: only configs reads YAML", p.ImportPath, i)
			}
		}
	}
}

func TestPureCoresDoNoIO(t *testing.T) {
	byPath := map[string]listed{}
	for _, p := range packages(t) {
		byPath[p.ImportPath] = p
	}
	for _, path := range pure {
		p, ok := byPath[path]
		if !ok {
			t.Errorf("%s does not exist", path)
		}
		for _, i := range p.Imports {
			for _, bad := range impure {
				if i == bad {
					t.Errorf("%s imports %s: it takes bytes and time in and gives bytes and actions out", path, i)
				}
			}
		}
	}
}

func layerOf(path string) string {
	for layer := range layers {
		if within(path, layer) {
			return layer
		}
	}
	return ""
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list shows %d packages only", len(all))
	}
	return all
}
