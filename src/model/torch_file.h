// SPDX-License-Identifier: Apache-2.0
// What torch.save writes since PyTorch 1.6: a zip archive of members that are stored as they are,
//
//   NAME/data.pkl     the object, as a pickle; a tensor in it is a call of torch._utils._rebuild_tensor_v2 with
//                     (storage, offset, sizes, strides, requires_grad, hooks), a storage the persistent id
//                     ('storage', torch.HalfStorage, '17', 'cpu', elements)
//   NAME/data/17      that storage's bytes
//   NAME/byteorder    "little"; absent in older files
//
// Of the object, the tensors of a state dict are read, and the sizes where OpenAI's "dims" stand beside it. Nothing is
// executed (model/pickle.h), nothing unpacked (model/zip.h). Source: torch/serialization.py and torch/_utils.py of
// PyTorch 2, and files that it wrote.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/checkpoint.h"

namespace shorthand {

struct TorchFile {
  // "dims" of {"dims": {...}, "model_state_dict": {...}}; empty where the file holds a state dict alone.
  std::map<std::string, int64_t, std::less<>> dims;
  std::vector<NamedTensor> tensors;  // in the order of the state dict; views of the file's bytes
};

bool is_torch_file(std::span<const std::byte> bytes);

// `bytes` must outlive the result. Errors: another kind of archive, a pickle that asks for more than tensors of
// float32, float16 and bfloat16, tensors that are not contiguous or lie outside their storage.
Result<TorchFile> read_torch_file(std::span<const std::byte> bytes, std::string_view file);

}  // namespace shorthand
