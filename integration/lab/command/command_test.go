package command

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFolderHidesItself(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := MakeFolder(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
	if err != nil || string(text) != "*\n" {
		t.Errorf(".gitignore holds %q, %v", text, err)
	}
}

// A folder that exists is somebody's: its git settings are not ours to change.
func TestFolderOfOthers(t *testing.T) {
	dir := t.TempDir()
	if err := MakeFolder(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".gitignore")); err == nil {
		t.Error("a .gitignore was put into a folder that had been there")
	}
}

func TestWriteJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out", "x.json")
	if err := WriteJSON(path, map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != "{\n  \"a\": 1\n}\n" {
		t.Errorf("wrote %q, %v", text, err)
	}
}
