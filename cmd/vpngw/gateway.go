package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"vpngw/configs"
)

// gatewayFlags say which running gateway is meant.
type gatewayFlags struct{ socket, device string }

func (f *gatewayFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.socket, "socket", "", "control socket at `PATH`, as gateway.control_socket in the tunnel file")
	cmd.Flags().StringVar(&f.device, "interface", "vpngw0", "gateway with the TUN device `NAME`, if its control socket is where it is by default")
}

// path is the control socket's.
func (f *gatewayFlags) path() string {
	if f.socket != "" {
		return f.socket
	}
	return configs.ControlSocket(f.device)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
