sites = {
  shop = { host = "shop.example.com" }
  blog = {
    host = "blog.example.com"
    ttl  = "60"
    page = { enabled = false }
  }
  api = {
    host      = "api.example.com"
    page      = { address = "192.0.2.10" }
    addresses = ["192.0.2.5", "192.0.2.6"]
  }
}
