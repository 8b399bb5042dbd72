package main

import (
	"bytes"
	"fmt"
)

// archive is a cpio archive in the format that the kernel unpacks as its first root (the "newc" of cpio(5)).
type archive struct {
	b     bytes.Buffer
	count int
}

// Kinds of entries, as in st_mode.
const (
	kindFolder    = 0o040000
	kindCharacter = 0o020000
	kindFile      = 0o100000
)

func (a *archive) folder(name string)               { a.add(name, kindFolder|0o755, 0, 0, nil) }
func (a *archive) file(name string, content []byte) { a.add(name, kindFile|0o755, 0, 0, content) }
func (a *archive) device(name string, major, minor int) {
	a.add(name, kindCharacter|0o600, major, minor, nil)
}

// bytes ends the archive and returns it.
func (a *archive) bytes() []byte {
	a.add("TRAILER!!!", 0, 0, 0, nil)
	return a.b.Bytes()
}

func (a *archive) add(name string, mode, major, minor int, content []byte) {
	a.count++
	const uid, gid, links, mtime, check = 0, 0, 1, 0, 0
	a.b.WriteString("070701")
	for _, field := range []int{a.count, mode, uid, gid, links, mtime, len(content), 0, 0, major, minor, len(name) + 1, check} {
		fmt.Fprintf(&a.b, "%08X", field)
	}
	a.b.WriteString(name + "\x00")
	a.align()
	a.b.Write(content)
	a.align()
}

// align fills up to a multiple of four bytes.
func (a *archive) align() { a.b.Write(make([]byte, -a.b.Len()&3)) }
