package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// samplePeriod is the processor time between two samples of a thread. It is no part of the milliseconds in which
	// senders pace themselves. The runtime's own profiler will not do: the kernel looks at its timers when the clock
	// ticks, and work that comes between two ticks, as that of a paced sender, is hardly ever seen.
	samplePeriod = 499_979 * time.Nanosecond

	ringPages  = 128 // of each thread, a power of two; read many times before they are full
	drainEvery = 50 * time.Millisecond
)

// sampler takes the stacks of all threads of a process, by perf_event_open(2).
type sampler struct {
	pid   int
	rings map[int]*ring // by thread
	page  int
	lost  uint64 // samples for which a ring had no room
}

// ring is what the kernel writes one thread's samples into.
type ring struct {
	fd     int
	memory []byte // a page of unix.PerfEventMmapPage, then the records
}

// newSampler begins to sample a process.
func newSampler(pid int) (*sampler, error) {
	s := &sampler{pid: pid, rings: map[int]*ring{}, page: os.Getpagesize()}
	if err := s.addThreads(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// addThreads samples the threads that are new.
func (s *sampler) addThreads() error {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", s.pid))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		thread, err := strconv.Atoi(filepath.Base(task))
		if err != nil || s.rings[thread] != nil {
			continue
		}
		r, err := openRing(thread, s.page)
		if errors.Is(err, unix.ESRCH) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return fmt.Errorf("sample thread %d by perf_event_open: %w (it needs root, a kernel with CONFIG_PERF_EVENTS, and no filter of system calls around)", thread, err)
		}
		s.rings[thread] = r
	}
	return nil
}

func openRing(thread, page int) (*ring, error) {
	attr := unix.PerfEventAttr{
		Type:        unix.PERF_TYPE_SOFTWARE,
		Config:      unix.PERF_COUNT_SW_CPU_CLOCK, // by the high-resolution timer: there on every machine
		Size:        unix.PERF_ATTR_SIZE_VER0,
		Sample:      uint64(samplePeriod),
		Sample_type: unix.PERF_SAMPLE_IP | unix.PERF_SAMPLE_CALLCHAIN,
		Wakeup:      1 << 30, // nobody waits for it
		// The way through the kernel's functions would cost several microseconds to find, and only the innermost counts.
		Bits: unix.PerfBitExcludeCallchainKernel,
	}
	fd, err := unix.PerfEventOpen(&attr, thread, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	memory, err := unix.Mmap(fd, 0, (1+ringPages)*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("map %d KiB for samples: %w", ringPages*page>>10, err)
	}
	return &ring{fd, memory}, nil
}

// run samples for so long and gives each stack, addresses innermost first, to take, which must not keep it.
func (s *sampler) run(d time.Duration, take func(stack []uint64)) error {
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-ticker.C {
		if err := s.addThreads(); err != nil {
			return err
		}
		s.drain(take)
	}
	s.drain(take)
	return nil
}

func (s *sampler) drain(take func([]uint64)) {
	for _, r := range s.rings {
		head := (*unix.PerfEventMmapPage)(unsafe.Pointer(&r.memory[0]))
		// The kernel writes Data_head after the records, and records only where Data_tail permits.
		from, to := head.Data_tail, atomic.LoadUint64(&head.Data_head)
		s.lost += parseRecords(r.memory[s.page:], from, to, take)
		atomic.StoreUint64(&head.Data_tail, to)
	}
}

// firstMark is the least of the marks that stand in a stack where the kernel's part and the user's begin.
const firstMark = 1<<64 + unix.PERF_CONTEXT_MAX

// recordHeader is the length of struct perf_event_header: type, misc, size.
const recordHeader = 8

// parseRecords reads the records between two positions of a ring, and returns how many samples the kernel had to drop.
func parseRecords(data []byte, from, to uint64, take func([]uint64)) (lost uint64) {
	size := uint64(len(data))
	word := func(at uint64) uint64 { return binary.NativeEndian.Uint64(data[at%size:]) } // records are of whole words
	var stack []uint64
	for from < to {
		header := word(from)
		length := header >> 48
		if length < recordHeader || length%8 != 0 {
			return lost // not what a kernel writes
		}
		body := from + recordHeader
		switch uint32(header) {
		case unix.PERF_RECORD_LOST: // id, lost
			lost += word(body + 8)
		case unix.PERF_RECORD_SAMPLE: // where it is, which may be in the kernel; then the number of the user's addresses, and these
			stack = append(stack[:0], word(body))
			for i := range min(word(body+8), length/8) {
				if address := word(body + 16 + 8*i); address < firstMark {
					stack = append(stack, address)
				}
			}
			take(stack)
		}
		from += length
	}
	return lost
}

func (s *sampler) close() {
	for _, r := range s.rings {
		_ = unix.Munmap(r.memory)
		unix.Close(r.fd)
	}
}
