# The four images for both processors, with labels, an SBOM and SLSA provenance. `make release` sets the variables.
#
#     VERSION=0.1.0 docker buildx bake --file k8s/docker-bake.hcl --print
#
# Images of another processor need QEMU (or a builder with a node of that processor). Attestations and several processors
# need a builder other than the driver `docker`: `docker buildx create --use`.

variable "REGISTRY" {
  description = "Where the images go, such as registry.example.com/lending; empty names local images"
  default     = ""
}

variable "VERSION" {
  description = "The version in pyproject.toml, which is the images' tag"
  default     = ""
  validation {
    condition     = VERSION != ""
    error_message = "VERSION is not set; `make release` takes it from pyproject.toml."
  }
}

variable "REVISION" {
  description = "The commit"
  default     = ""
}

variable "SOURCE" {
  description = "The URL of the repository"
  default     = ""
}

variable "SOURCE_DATE_EPOCH" {
  description = "Seconds since 1970 of the commit; the images' time of creation"
  default     = "0"
}

variable "BASE" {
  description = "An image with Python 3.11; null means the Dockerfile's own"
  default     = null
}

variable "HELM" {
  description = "An image with helm in it; null means the Dockerfile's own"
  default     = null
}

group "default" {
  targets = ["server", "training", "rollout", "spark"]
}

target "image" {
  name       = image
  matrix     = { image = ["server", "training", "rollout", "spark"] }
  context    = "."
  dockerfile = "k8s/Dockerfile"
  target     = image
  tags       = ["${REGISTRY == "" ? "" : "${REGISTRY}/"}loan-model-${image}:${VERSION}"]
  platforms  = ["linux/amd64", "linux/arm64"]
  args = {
    VERSION           = VERSION
    REVISION          = REVISION
    SOURCE            = SOURCE
    CREATED           = timeadd("1970-01-01T00:00:00Z", "${SOURCE_DATE_EPOCH}s")
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
    BASE              = BASE
    HELM              = HELM
  }
  attest = [
    { type = "sbom" },
    { type = "provenance", mode = "max" },
  ]
}
