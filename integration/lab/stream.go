package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// Stream copies src over one TCP connection from a host to an address of another, and what arrives into dst. It returns the
// bytes that arrived and the time from the connection's start to its end at the receiver.
func Stream(ctx context.Context, from, to *Namespace, address netip.Addr, src io.Reader, dst io.Writer) (n int64, d time.Duration, err error) {
	listener, err := to.ListenTCP(address)
	if err != nil {
		return 0, 0, fmt.Errorf("stream: %w", err)
	}
	defer listener.Close()
	defer context.AfterFunc(ctx, func() { listener.Close() })()

	start := time.Now()
	sent := make(chan error, 1)
	go func() {
		err := send(ctx, from, listener.Addr().(*net.TCPAddr), src)
		if err != nil {
			listener.Close() // there may be nothing to accept
		}
		sent <- err
	}()
	n, err = receive(ctx, listener, dst)
	d = time.Since(start)
	if sendErr := <-sent; sendErr != nil || err != nil {
		return n, d, fmt.Errorf("stream from %s to %s, %d bytes arrived: %w", from.Role, address, n, errors.Join(ended(ctx), sendErr, err))
	}
	return n, d, nil
}

// ended is ctx.Err, but certain: a dial gives up at the deadline a moment before the context has noticed it.
func ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	return ctx.Err()
}

// ListenTCP opens a listener with a port of the kernel's choice on one address inside the namespace.
func (n *Namespace) ListenTCP(address netip.Addr) (l *net.TCPListener, err error) {
	err = n.Do(func() (err error) {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
		return err
	})
	return l, err
}

// DialTCP opens a TCP connection from inside the namespace.
func (n *Namespace) DialTCP(ctx context.Context, address netip.AddrPort) (conn net.Conn, err error) {
	err = n.Do(func() (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "tcp", address.String())
		return err
	})
	return conn, err
}

func send(ctx context.Context, from *Namespace, to *net.TCPAddr, src io.Reader) error {
	conn, err := from.DialTCP(ctx, to.AddrPort())
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_, err = io.Copy(conn, src)
	return err
}

func receive(ctx context.Context, l net.Listener, dst io.Writer) (int64, error) {
	conn, err := l.Accept()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return io.Copy(dst, conn)
}
