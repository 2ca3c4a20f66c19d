variable "host" {
  type = string
}

output "target" {
  value = {
    name = "d111111abcdef8.cloudfront.net"
    zone = "Z2FDTNDATAQYW2"
  }
}

output "note" {
  value = "closed: ${var.host}"
}
