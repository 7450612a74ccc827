"""HTTP/2 without sockets: header blocks, frames and windows."""
