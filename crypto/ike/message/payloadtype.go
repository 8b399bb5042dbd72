package message

import "strconv"

// PayloadType says what a payload is (RFC 7296 section 3.2).
type PayloadType uint8

// Payload types; of RFC 7296 section 3.2 where nothing else is said.
const (
	PayloadNone     PayloadType = 0 // end of the chain
	PayloadSA       PayloadType = 33
	PayloadKE       PayloadType = 34
	PayloadIDi      PayloadType = 35
	PayloadIDr      PayloadType = 36
	PayloadCERT     PayloadType = 37
	PayloadCERTREQ  PayloadType = 38
	PayloadAUTH     PayloadType = 39
	PayloadNonce    PayloadType = 40
	PayloadNotify   PayloadType = 41
	PayloadDelete   PayloadType = 42
	PayloadVendorID PayloadType = 43
	PayloadTSi      PayloadType = 44
	PayloadTSr      PayloadType = 45
	PayloadSK       PayloadType = 46 // Encrypted and Authenticated
	PayloadCP       PayloadType = 47
	PayloadEAP      PayloadType = 48
	PayloadSKF      PayloadType = 53 // RFC 7383 section 2.5
)

var payloadNames = map[PayloadType]string{
	PayloadNone: "none", PayloadSA: "SA", PayloadKE: "KE", PayloadIDi: "IDi", PayloadIDr: "IDr",
	PayloadCERT: "CERT", PayloadCERTREQ: "CERTREQ", PayloadAUTH: "AUTH", PayloadNonce: "Nonce",
	PayloadNotify: "Notify", PayloadDelete: "Delete", PayloadVendorID: "Vendor ID",
	PayloadTSi: "TSi", PayloadTSr: "TSr", PayloadSK: "SK", PayloadCP: "CP", PayloadEAP: "EAP",
	PayloadSKF: "SKF",
}

// String gives the notation of RFC 7296 section 1.2, or "payload 200".
func (t PayloadType) String() string {
	if s, ok := payloadNames[t]; ok {
		return s
	}
	return "payload " + strconv.Itoa(int(t))
}

// Known reports whether the type is one that this package understands, so that
// its critical bit means nothing (RFC 7296 section 3.2). CP and EAP are
// understood in that sense: a message may hold them and they may be skipped.
func (t PayloadType) Known() bool {
	return t >= PayloadSA && t <= PayloadEAP || t == PayloadSKF
}
