//! Technical values of videos (D60 to D64, D67 to D69, D75).
