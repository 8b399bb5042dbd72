// Package daemon runs a gateway from a tunnel file: it turns the file into a
// gateway's configuration, serves the control socket, and tells systemd.
package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"vpngw/configs"
	"vpngw/tunnel"
)

// Run runs the gateway of a tunnel file until ctx ends, which is a clean end and
// returns nil. version is what status shows.
func Run(ctx context.Context, file *configs.File, version string, log *slog.Logger) error {
	for _, w := range file.Warnings(time.Now()) {
		log.Warn(w)
	}
	gateway, err := tunnel.New(gatewayConfig(file, version), log)
	if err != nil {
		return fmt.Errorf("%s: %w", file.Path, err)
	}
	socket, err := listenControl(file.Gateway.ControlSocket)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveControl(ctx, socket, gateway) })
	group.Go(func() error {
		// Without NOTIFY_SOCKET the notifications do nothing.
		defer context.AfterFunc(ctx, func() { sd.SdNotify(false, sd.SdNotifyStopping) })()
		err := gateway.Run(ctx, func() {
			log.Info("gateway is running", "version", version, "tunnels", len(file.Tunnels), "control_socket", file.Gateway.ControlSocket)
			sd.SdNotify(false, sd.SdNotifyReady)
		})
		if err == nil {
			log.Info("gateway has stopped")
		}
		return err
	})
	return group.Wait()
}
