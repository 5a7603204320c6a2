//! ouzel: a low-overhead async runtime any host can link.
