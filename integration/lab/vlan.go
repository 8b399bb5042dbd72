package lab

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Tag puts everything that the device sends into one VLAN (IEEE 802.1Q) and takes the tag from all that it receives. The tags
// stand in the frames, as on a cable, and not beside them, as veth would have it. Two programs at the device's ends of traffic
// control do it, so that no kernel lacks it; a VLAN device of its own, where the kernel has these, would do the same.
func (n *Namespace) Tag(device string, vlan int) error {
	for _, feature := range []string{"tx-vlan-hw-insert", "rx-vlan-hw-parse"} {
		if err := n.Feature(device, feature, false); err != nil {
			return err
		}
	}
	return n.on(device, fmt.Sprintf("tag with VLAN %d", vlan), func(h *netlink.Handle, link netlink.Link) error {
		index := link.Attrs().Index
		err := h.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}})
		if err != nil {
			return err
		}
		if err := attach(h, index, netlink.HANDLE_MIN_EGRESS, "push", pushTag(vlan)); err != nil {
			return err
		}
		return attach(h, index, netlink.HANDLE_MIN_INGRESS, "pop", popTag)
	})
}

// instruction is one of a BPF program (RFC 9669 §3).
type instruction struct {
	opcode    uint8
	registers uint8 // destination in the lower half, source in the upper
	offset    int16
	immediate int32
}

// What the programs below consist of: opcodes, and numbers of the kernel's helpers (linux/bpf.h).
const (
	move, call, exit  = 0xb7, 0x85, 0x95
	vlanPush, vlanPop = 18, 19
)

// passOn lets the packet go on its way.
var passOn = []instruction{{opcode: move, registers: 0, immediate: 0 /* TC_ACT_OK */}, {opcode: exit}}

// popTag takes the tag off, if there is one.
var popTag = append([]instruction{{opcode: call, immediate: vlanPop}}, passOn...)

func pushTag(vlan int) []instruction {
	var wire [2]byte
	binary.BigEndian.PutUint16(wire[:], unix.ETH_P_8021Q)
	return append([]instruction{
		{opcode: move, registers: 2, immediate: int32(binary.NativeEndian.Uint16(wire[:]))},
		{opcode: move, registers: 3, immediate: int32(vlan)},
		{opcode: call, immediate: vlanPush},
	}, passOn...)
}

// attach runs a program on all packets of one direction.
func attach(h *netlink.Handle, index int, parent uint32, name string, program []instruction) error {
	fd, err := loadProgram(program)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return h.FilterAdd(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: index, Parent: parent, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1},
		Fd:          fd, Name: name, DirectAction: true,
	})
}

// loadProgram gives a program to the kernel.
func loadProgram(program []instruction) (fd int, err error) {
	license := []byte("GPL\x00")
	var pinned runtime.Pinner // the kernel is given their addresses as numbers
	defer pinned.Unpin()
	pinned.Pin(&program[0])
	pinned.Pin(&license[0])
	attributes := struct { // union bpf_attr of BPF_PROG_LOAD
		programType, count    uint32
		instructions, license uint64
		unused                [12]uint64
	}{
		programType: unix.BPF_PROG_TYPE_SCHED_CLS, count: uint32(len(program)),
		instructions: uint64(uintptr(unsafe.Pointer(&program[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	got, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes))
	if errno != 0 {
		return -1, os.NewSyscallError("bpf", errno)
	}
	return int(got), nil
}
