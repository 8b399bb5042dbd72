package main

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vpngw/integration/kernels/order"
)

func TestModuleFiles(t *testing.T) {
	const dependencies = `kernel/fs/9p/9p.ko.xz: kernel/fs/netfs/netfs.ko.xz kernel/net/9p/9pnet.ko.xz
kernel/fs/netfs/netfs.ko.xz:
kernel/net/9p/9pnet.ko.xz:
kernel/drivers/virtio/virtio.ko.xz:
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/drivers/virtio/virtio.ko.xz
kernel/drivers/char/virtio-console.ko: kernel/drivers/virtio/virtio.ko.xz
`
	const builtin = "kernel/fs/overlayfs/overlay.ko\n"
	files, err := moduleFiles(dependencies, builtin, []string{"virtio_console", "9pnet_virtio", "overlay", "9p"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, moduleName(f))
	}
	if got := strings.Join(names, " "); got != "virtio virtio_console 9pnet 9pnet_virtio netfs 9p" {
		t.Errorf("loaded in the order %s", got)
	}
	if _, err := moduleFiles(dependencies, builtin, []string{"vmxnet3"}); err == nil || !strings.Contains(err.Error(), "vmxnet3") {
		t.Errorf("a module that there is not: %v", err)
	}
}

func TestImagePackage(t *testing.T) {
	for _, c := range []struct{ name, shown, want string }{
		{"linux-image-amd64", "Package: linux-image-amd64\nDepends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)\n", "linux-image-6.1.0-56-amd64"},
		{"linux-image-amd64", "Depends: kmod, linux-image-7.0-amd64\n", "linux-image-7.0-amd64"},
		{"linux-image-6.1.0-56-amd64", "Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool\n", "linux-image-6.1.0-56-amd64"},
	} {
		if got := imagePackage(c.name, c.shown); got != c.want {
			t.Errorf("%s is %s, expected %s", c.name, got, c.want)
		}
	}
}

// TestArchive reads what an archive holds by the rules of cpio(5).
func TestArchive(t *testing.T) {
	var a archive
	a.folder("dev")
	a.device("dev/console", 5, 1)
	a.file("init", []byte("content"))
	b := a.bytes()
	var got []string
	for name := ""; name != "TRAILER!!!"; {
		if len(b) < 110 || string(b[:6]) != "070701" {
			t.Fatalf("no header in the last %d bytes, after %v", len(b), got)
		}
		field := func(n int) int {
			v, err := strconv.ParseUint(string(b[6+8*n:14+8*n]), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return int(v)
		}
		aligned := func(n int) int { return (n + 3) / 4 * 4 }
		mode, size, major, minor, length := field(1), field(6), field(9), field(10), field(11)
		name = string(b[110 : 110+length-1])
		data := aligned(110 + length)
		got = append(got, fmt.Sprintf("%s %o %d:%d %s", name, mode, major, minor, b[data:data+size]))
		b = b[aligned(data+size):]
	}
	want := []string{"dev 40755 0:0 ", "dev/console 20600 5:1 ", "init 100755 0:0 content", "TRAILER!!! 0 0:0 "}
	if !reflect.DeepEqual(got, want) || len(b) > 0 {
		t.Errorf("got %q and %d bytes more", got, len(b))
	}
}

// TestTally reads what compiled tests write, in pieces of every size.
func TestTally(t *testing.T) {
	const text = `=== RUN   TestOne
=== RUN   TestOne/a
=== PAUSE TestOne/a
=== RUN   TestTwo
    two_test.go:3: needs a card
--- SKIP: TestTwo (0.00s)
=== CONT  TestOne/a
=== NAME  TestOne
    one_test.go:3: first
=== NAME  TestOne/a
    one_test.go:9: bad
--- FAIL: TestOne (0.01s)
    --- FAIL: TestOne/a (0.00s)
    --- PASS: TestOne/b (0.00s)
    --- SKIP: TestOne/c (0.00s)
FAIL
`
	for size := 1; size <= len(text); size *= 3 {
		var got tally
		for rest := []byte(text); len(rest) > 0; {
			n, _ := got.Write(rest[:min(size, len(rest))])
			rest = rest[n:]
		}
		if got.passed != 1 || got.failed != 2 || !slices.Equal(got.skipped, []skip{{"TestTwo", "needs a card"}, {"TestOne/c", ""}}) {
			t.Errorf("in pieces of %d: %+v", size, got)
		}
	}
}

// TestSummarize has skipped tests of one reason in one line.
func TestSummarize(t *testing.T) {
	var b strings.Builder
	summarize(&b, "6.1", []*outcome{{suite: suite{group: "edges", folder: "offload/tun"}, tally: tally{passed: 2, skipped: []skip{{"TestA", "one"}, {"TestB", "other"}, {"TestC", "one"}}}}})
	for _, want := range []string{"Linux 6.1\n", "edges-tun", "   2 passed", "skipped 2, TestA: one\n", "skipped 1, TestB: other\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
}

func TestReadEvents(t *testing.T) {
	var got []order.Event
	keep := func(e order.Event) { got = append(got, e) }
	if err := readEvents(strings.NewReader(`{"Job":0,"Output":"YWI="}`+"\n"+`{"Job":1,"Done":true,"Exit":-1,"Failed":"x"}`), keep); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !bytes.Equal(got[0].Output, []byte("ab")) || !got[1].Done || got[1].Exit != -1 || got[1].Failed != "x" {
		t.Errorf("%+v", got)
	}
	if err := readEvents(strings.NewReader(`{"Job":0} panic`), keep); err == nil {
		t.Error("took anything for an event")
	}
}

// TestChoose reads flags.
func TestChoose(t *testing.T) {
	good := settings{processors: 2, megabytes: 4096}
	for _, c := range []struct {
		only, run string
		want      int
	}{{"", "", len(suites)}, {"lro", "", 1}, {"lro,esp", "", 2}, {"", "^TestCard", 1}, {"vlan,esp", "^TestCard", 1}} {
		s := good
		s.only, s.run = c.only, c.run
		if chosen, err := s.choose(0); err != nil || len(chosen) != c.want {
			t.Errorf("-only %q -run %q: %d suites, %v", c.only, c.run, len(chosen), err)
		}
	}
	for _, c := range []struct {
		only, run string
		arguments int
	}{{"nothing", "", 0}, {"edges", "^TestCard", 0}, {"", "", 1}} {
		s := good
		s.only, s.run = c.only, c.run
		if _, err := s.choose(c.arguments); err == nil {
			t.Errorf("-only %q -run %q and %d arguments: taken", c.only, c.run, c.arguments)
		}
	}
}
