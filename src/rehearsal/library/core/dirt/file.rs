//! Files: formats, names, places, checksums, languages (D65, D66, D70 to D72).
