#pragma once
// The files of AWS's tools, ~/.aws/config and ~/.aws/credentials.
#include <map>
#include <string>
#include <string_view>

#include "connections/secrets/aws_credentials.h"

namespace udon {

// Settings of one profile; those of the credentials file win.
using AwsProfile = std::map<std::string, std::string>;

// All profiles of the two files, which AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE may name. A file that is not
// there is empty.
Result<std::map<std::string, AwsProfile>> read_aws_profiles(const Environment& environment);
// The sections of one file: in `config` they are called "profile x", in `credentials` just "x".
Result<std::map<std::string, AwsProfile>> parse_aws_profiles(std::string_view text, const std::string& file);
// AWS_PROFILE, else "default".
std::string aws_profile_name(const Environment& environment);

}  // namespace udon
