// Hostile manifests: whatever parses must come back the same after being written and read.

#include <cstdlib>
#include <string>

#include "persistence/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const strata::Bytes text(reinterpret_cast<const char*>(data), size);
  const strata::Result<strata::Manifest> manifest = strata::parse_manifest(text);
  if (!manifest) return 0;
  const strata::Result<strata::Manifest> again = strata::parse_manifest(strata::format_manifest(*manifest));
  // Escaping makes names longer; only that may take a line over its limit.
  if (!again) {
    for (const auto* files : {&manifest->increments, &manifest->history})
      for (const strata::ManifestFile& file : *files)
        if (file.name.size() * 4 + 40 > strata::kManifestLineBytesMax) return 0;
    if (manifest->base.name.size() * 4 + 40 > strata::kManifestLineBytesMax) return 0;
    std::abort();
  }
  if (*again != *manifest) std::abort();
  return 0;
}
