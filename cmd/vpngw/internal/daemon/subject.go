package daemon

import (
	"context"

	"vpngw/configs"
	"vpngw/tunnel/doctor"
)

// Subject is what package doctor must know of the gateway of a tunnel file. Names of peers
// that are not found are in errs.
func Subject(ctx context.Context, file *configs.File) (s doctor.Subject, errs []error) {
	return gatewayConfig(file, "").Subject(ctx)
}
