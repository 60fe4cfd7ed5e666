#include "plugins/io/s3_xml.h"

#include <algorithm>
#include <pugixml.hpp>
#include <sstream>

#include "base/text.h"

namespace udon {
namespace {

// Entities that a document declares itself are not expanded by pugixml, so an answer cannot blow up.
Result<pugi::xml_node> parse(pugi::xml_document& document, std::string_view xml, const char* root) {
  const auto result = document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  const pugi::xml_node node = document.first_child();
  if (!result || std::string_view(node.name()) != root) {
    return Error{ErrorKind::unavailable, "the store's answer is no <" + std::string(root) + ">"};
  }
  return node;
}

// As forms are encoded: AWS writes a space as '+'.
Result<std::string> decode_key(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  const auto decoded = percent_decode(spaced);
  if (!decoded) return Error{ErrorKind::unavailable, "the store listed a key that is not encoded as it says"};
  return *decoded;
}

}  // namespace

std::string without_quotes(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

std::optional<S3ErrorText> parse_s3_error(std::string_view xml) {
  pugi::xml_document document;
  const auto error = parse(document, xml, "Error");
  if (!error) return std::nullopt;
  return S3ErrorText{error->child_value("Code"), error->child_value("Message"), error->child_value("Region"),
                     error->child_value("Endpoint")};
}

Result<S3ListPage> parse_s3_list(std::string_view xml) {
  pugi::xml_document document;
  TRY_ASSIGN(const pugi::xml_node root, parse(document, xml, "ListBucketResult"));
  const bool is_encoded = std::string_view(root.child_value("EncodingType")) == "url";
  S3ListPage page;
  for (const pugi::xml_node contents : root.children("Contents")) {
    S3ListedObject object{contents.child_value("Key"), contents.child("Size").text().as_llong(),
                          without_quotes(contents.child_value("ETag")), contents.child_value("StorageClass"),
                          std::nullopt};
    if (const auto at = parse_time(contents.child_value("LastModified"))) object.modified_at = *at;
    if (is_encoded) {
      TRY_ASSIGN(object.key, decode_key(object.key));
    }
    page.objects.push_back(std::move(object));
  }
  if (std::string_view(root.child_value("IsTruncated")) == "true") {
    page.continuation_token = root.child_value("NextContinuationToken");
    if (page.continuation_token.empty()) {
      return Error{ErrorKind::unavailable, "the store cut a list and does not say how it goes on"};
    }
  }
  return page;
}

Result<std::vector<S3BegunUpload>> parse_s3_uploads(std::string_view xml) {
  pugi::xml_document document;
  TRY_ASSIGN(const pugi::xml_node root, parse(document, xml, "ListMultipartUploadsResult"));
  std::vector<S3BegunUpload> uploads;
  for (const pugi::xml_node upload : root.children("Upload")) {
    const auto begun_at = parse_time(upload.child_value("Initiated"));
    uploads.push_back({upload.child_value("Key"), upload.child_value("UploadId"),
                       begun_at ? std::optional(*begun_at) : std::nullopt});
  }
  return uploads;
}

Result<std::string> parse_s3_upload_id(std::string_view xml) {
  pugi::xml_document document;
  TRY_ASSIGN(const pugi::xml_node root, parse(document, xml, "InitiateMultipartUploadResult"));
  std::string id = root.child_value("UploadId");
  if (id.empty()) return Error{ErrorKind::unavailable, "the store began an upload without an id"};
  return id;
}

Result<S3Completed> parse_s3_completed(std::string_view xml) {
  pugi::xml_document document;
  TRY_ASSIGN(const pugi::xml_node root, parse(document, xml, "CompleteMultipartUploadResult"));
  return S3Completed{without_quotes(root.child_value("ETag")), root.child_value("ChecksumSHA256")};
}

Result<S3Completed> parse_s3_copied(std::string_view xml) {
  pugi::xml_document document;
  auto root = parse(document, xml, "CopyObjectResult");
  if (!root) root = parse(document, xml, "CopyPartResult");
  if (!root) return root.error();
  S3Completed copied{without_quotes(root->child_value("ETag")), root->child_value("ChecksumSHA256")};
  if (copied.etag.empty()) return Error{ErrorKind::unavailable, "the store copied and gave no ETag"};
  return copied;
}

std::string s3_complete_body(const std::vector<S3Part>& parts) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("CompleteMultipartUpload");
  root.append_attribute("xmlns") = "http://s3.amazonaws.com/doc/2006-03-01/";
  for (const S3Part& part : parts) {
    pugi::xml_node node = root.append_child("Part");
    node.append_child("PartNumber").text() = part.number;
    node.append_child("ETag").text() = ("\"" + part.etag + "\"").c_str();
    if (!part.sha256.empty()) node.append_child("ChecksumSHA256").text() = part.sha256.c_str();
  }
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return text.str();
}

std::string s3_delete_body(const std::vector<std::string>& keys) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("Delete");
  root.append_attribute("xmlns") = "http://s3.amazonaws.com/doc/2006-03-01/";
  for (const std::string& key : keys) root.append_child("Object").append_child("Key").text() = key.c_str();
  // What succeeds is not told of.
  root.append_child("Quiet").text() = "true";
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return text.str();
}

Result<std::vector<S3DeleteError>> parse_s3_deleted(std::string_view xml) {
  pugi::xml_document document;
  TRY_ASSIGN(const pugi::xml_node root, parse(document, xml, "DeleteResult"));
  std::vector<S3DeleteError> errors;
  for (const pugi::xml_node error : root.children("Error"))
    errors.push_back({error.child_value("Key"), error.child_value("Code"), error.child_value("Message")});
  return errors;
}

}  // namespace udon
