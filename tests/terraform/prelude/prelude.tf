# What the expressions of expressions.txt may use. Each is evaluated beside this file, as `local.value`.

variable "maintenance_mode" {
  type    = bool
  default = false
}

variable "text" {
  default = "hello"
}

variable "letters" {
  type    = list(string)
  default = ["b", "a", "c"]
}

variable "sizes" {
  type = map(number)
  default = {
    small = 1
    large = 10
  }
}

variable "zones" {
  type    = set(string)
  default = ["z2", "z1"]
}

variable "nothing" {
  type    = string
  default = null
}

variable "service" {
  type = object({
    name  = string
    port  = optional(number, 80)
    hosts = optional(list(string))
    tls = optional(object({
      on   = optional(bool, true)
      name = optional(string)
    }), {})
  })
  default = {
    name = "app"
  }
}

variable "services" {
  type = list(object({
    name   = string
    weight = number
    tags   = map(string)
  }))
  default = [
    { name = "web", weight = 5, tags = { tier = "front" } },
    { name = "api", weight = "7", tags = {} },
  ]
}

locals {
  numbers = [3, 1, 2]
  mixed   = ["a", 1, true, null]
  objects = { b = { size = 2 }, a = { size = 1 } }
  chain_1 = "${var.text}!"
  chain_2 = upper(local.chain_1)
}
