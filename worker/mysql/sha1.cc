#include "worker/mysql/sha1.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "common/check.h"

namespace shift {

std::string sha1_hex(std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    const int done =
        EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha1(), nullptr);
    CHECK(done == 1 && length == 20, "SHA-1 is part of every libcrypto");
    std::string text;
    for (unsigned i = 0; i < length; ++i) {
        text += fmt::format("{:02x}", digest[i]);
    }
    return text;
}

}  // namespace shift
