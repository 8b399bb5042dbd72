package lab

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/sys/unix"
)

// captureBuffer is the socket buffer of a capture in bytes: some tens of milliseconds at full rate.
const captureBuffer = 64 << 20

// captureTail bounds how long a stopped capture goes on reading what is waiting in its socket.
const captureTail = time.Second

// Capture records the frames of one device, in both directions, into a pcap file.
type Capture struct {
	path string
	fd   int
	end  chan struct{} // closed by Stop
	done chan struct{} // closed when the file is complete
	once sync.Once

	frames  int // these three are read after done
	dropped int
	err     error
}

// Capture starts recording what a device sends and receives. A superpacket that crosses whole is one frame; see
// [Namespace.OnePacketPerFrame].
func (n *Namespace) Capture(device string) (*Capture, error) {
	c := &Capture{fd: -1, end: make(chan struct{}), done: make(chan struct{})}
	if err := n.Do(func() error { return c.open(device) }); err != nil {
		c.closeSocket()
		return nil, fmt.Errorf("capture on %s of %s: %w", device, n.Name, err)
	}
	err := n.lab.use(func() error {
		c.path = filepath.Join(n.lab.dir, fmt.Sprintf("%s-%s-%d.pcap", n.Role, device, len(n.lab.captures)))
		file, err := os.Create(c.path)
		if err != nil {
			return err
		}
		n.lab.captures = append(n.lab.captures, c)
		go c.record(file)
		return nil
	})
	if err != nil {
		c.closeSocket()
		return nil, fmt.Errorf("capture on %s of %s: %w", device, n.Name, err)
	}
	return c, nil
}

func (c *Capture) closeSocket() {
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
}

func (c *Capture) open(device string) error {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	protocol := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8 // network byte order
	if c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, captureBuffer); err != nil {
		return err
	}
	// The receive timeout lets the recorder see that it should end.
	if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}); err != nil {
		return err
	}
	return unix.Bind(c.fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: link.Index})
}

// record writes frames until Stop is called and the socket is empty, or the device is gone.
func (c *Capture) record(file *os.File) {
	defer close(c.done)
	defer c.closeSocket()
	defer file.Close()
	w := pcapgo.NewWriterNanos(file)
	if c.err = w.WriteFileHeader(1<<18, layers.LinkTypeEthernet); c.err != nil {
		return
	}
	b := make([]byte, 1<<18)
	var deadline time.Time // for what still arrives after Stop
	for deadline.IsZero() || time.Now().Before(deadline) {
		select {
		case <-c.end:
			if deadline.IsZero() {
				deadline = time.Now().Add(captureTail)
			}
		default:
		}
		n, _, err := unix.Recvfrom(c.fd, b, 0)
		switch err {
		case nil:
			info := gopacket.CaptureInfo{Timestamp: time.Now(), CaptureLength: n, Length: n}
			if c.err = w.WritePacket(info, b[:n]); c.err != nil {
				return
			}
			c.frames++
		case unix.EINTR, unix.ENETDOWN: // the device was set down; it may come back
		case unix.EAGAIN:
			if !deadline.IsZero() {
				deadline = time.Unix(0, 1) // empty: over
			}
		default:
			c.err = fmt.Errorf("capture %s: %w", c.path, err)
			return
		}
	}
	if s, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		c.dropped = int(s.Drops)
	}
}

// Stop ends the recording after what has arrived so far is written, and waits for that. It may be called more than once.
func (c *Capture) Stop() {
	c.once.Do(func() { close(c.end) })
	<-c.done
}

// Path is the pcap file; it is complete after Stop and removed with the lab.
func (c *Capture) Path() string { return c.path }

// Frames ends the recording and calls f with each frame, in order. The slice is only valid during the call. It is an error if
// frames were lost for want of buffer, as then nothing can be concluded from what is absent.
func (c *Capture) Frames(f func(frame []byte)) error {
	c.Stop()
	if c.err != nil {
		return c.err
	}
	if c.dropped > 0 {
		return fmt.Errorf("capture %s: %d frames were dropped, %d recorded", c.path, c.dropped, c.frames)
	}
	file, err := os.Open(c.path)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := pcapgo.NewReader(file)
	if err != nil {
		return fmt.Errorf("capture %s: %w", c.path, err)
	}
	for range c.frames {
		frame, _, err := r.ReadPacketData()
		if err != nil {
			return fmt.Errorf("capture %s: %w", c.path, err)
		}
		f(frame)
	}
	return nil
}
