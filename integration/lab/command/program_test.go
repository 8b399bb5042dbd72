package command

import (
	"debug/buildinfo"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestProgramIsWhatIsShipped compares its flags with those of `make build`.
func TestProgramIsWhatIsShipped(t *testing.T) {
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if recipe := "\tCGO_ENABLED=0 $(GO) build -trimpath -ldflags '" + linkerFlags + "$(VERSION)' -o bin/vpngw ./cmd/vpngw\n"; !strings.Contains(string(makefile), recipe) {
		t.Errorf("the Makefile does not build with%s", recipe)
	}

	path, version, err := Program(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^\S+ go1\S* linux/\w+$`).MatchString(version) {
		t.Errorf("version %q", version)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" {
		t.Errorf("built with %v", settings)
	}
}

// TestGivenProgram: the one that is named is taken, also from another working directory.
func TestGivenProgram(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("mine", []byte("#!/bin/sh\necho vpngw 1.2.3 of mine\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	path, version, err := Program(t.Context(), "mine", "")
	if err != nil || !filepath.IsAbs(path) || filepath.Base(path) != "mine" || version != "1.2.3 of mine" {
		t.Errorf("%q, %q, %v", path, version, err)
	}
}
