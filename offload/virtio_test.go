package offload

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestVirtioHeader(t *testing.T) {
	// As struct virtio_net_hdr lies in memory, native byte order.
	want := []byte{1, 0x81}
	for _, v := range []uint16{54, 1398, 20, 16} {
		want = binary.NativeEndian.AppendUint16(want, v)
	}
	h := VirtioHeader{Flags: FlagNeedsCsum, GSOType: GSOTCPv4 | GSOECN, HdrLen: 54, GSOSize: 1398, CsumStart: 20, CsumOffset: 16}
	got := make([]byte, VirtioHeaderLen)
	h.Encode(got)
	if !bytes.Equal(got, want) {
		t.Errorf("Encode: % x, want % x", got, want)
	}
	var back VirtioHeader
	back.Decode(append(got, 0xff))
	if back != h {
		t.Errorf("Decode: %+v, want %+v", back, h)
	}
}
