package keys

// RecommendedPPK is the least length of a post-quantum pre-shared key, in bytes, that
// keeps 128 bits against a quantum computer (RFC 8784 §6).
const RecommendedPPK = 32

// LoadPPK reads a post-quantum pre-shared key (RFC 8784) by the rules of LoadPSK: the
// text of the file without the final newline, byte for byte, at least 16 bytes.
func LoadPPK(path string) (PSK, error) { return loadShared("PPK", path) }
